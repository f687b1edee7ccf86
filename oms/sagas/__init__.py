"""Plans that take many orders and long, told by nothing but those orders: whoever reads the log can go on with one.

A saga has no state of its own. Its plan stands in the tags of each of its orders, each order's id follows from the
saga's id and its step, and what is to be done next follows from the orders and the time. An id is one order for ever,
so that two hosts, or one that died and came back, can never place a step twice.
"""
