package engine

// Patience is how long a change is tried that keeps meeting others.
const Patience = patience
