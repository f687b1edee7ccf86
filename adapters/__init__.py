"""What speaks to venues; imports the contract (`oms.venue`), never an aggregate."""
