"""Published prompt sets: the catalogue, their files, and how they are read."""
