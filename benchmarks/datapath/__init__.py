"""What the path from a client to the engine costs, beside the engine alone and Ray's default path."""
