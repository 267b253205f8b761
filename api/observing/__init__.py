"""Let others look on: traces for OpenTelemetry, alerts for whoever is away from the screen."""
