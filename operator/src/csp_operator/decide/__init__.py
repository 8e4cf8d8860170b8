"""Pure decisions: values in, what is to be done out. No clock, no input or output."""
