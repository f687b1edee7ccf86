"""BitMart futures V2 as it stands on the wire, on the venue's side."""
