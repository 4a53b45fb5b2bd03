"""Several workers behind one pair of sockets: who starts them, what is said to them, what replaces a dead one."""
