package engine

// RetryTime is how long a change is tried that keeps meeting others.
const RetryTime = retryTime

// MaxUnclear is how often a change is made that ends without a clear answer each time.
const MaxUnclear = maxUnclear
