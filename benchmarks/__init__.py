"""Programs that print the tables of the documents; none is installed, all run from a checkout."""
