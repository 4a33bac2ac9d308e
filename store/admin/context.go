package admin

// The names of the encryption context with which a store asks KMS to seal an object itself. Policies and
// CloudTrail's events contain them.
const (
	ContextService = "coffer:service"
	ContextKey     = "coffer:key"   // the key of a secret; [ContextIndexKey] for an index
	ContextIndex   = "coffer:index" // of an index: its name within the service

	ContextIndexKey = "__index"
)
