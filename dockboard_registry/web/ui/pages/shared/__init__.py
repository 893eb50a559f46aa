"""What the handlers of several pages share."""
