"""The control plane under load: our operator, a plain kopf operator, and what the API server takes."""
