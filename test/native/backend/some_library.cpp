// Nothing but a library that loads.
