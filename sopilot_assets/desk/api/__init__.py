"""Results for other programs, read only: ``/api/v1``, with tokens and an OpenAPI description."""
