"""What the command line says of each kind of result, as blocks that any display shows, and how far each kind of run has come."""
