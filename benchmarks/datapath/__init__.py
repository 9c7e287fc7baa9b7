"""What the path from a client to the engine costs, beside the engine alone and beside Ray's own default path."""
