"""What is served: parse, authorise, one domain call, write."""
