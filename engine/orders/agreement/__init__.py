"""What it means when the venue and we disagree: about positions, about orders."""
