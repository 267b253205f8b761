"""What benchmarks are played with: windows, analysts that cost nothing, frames, bare graphs."""
