package engine

// Patience is how long a change is tried that keeps meeting others.
const Patience = patience

// Doubts is how often a change is made that ends without a clear answer each time.
const Doubts = doubts
