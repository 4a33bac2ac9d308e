package admin

// What [Inspector.Inspect] looks for: [Finding.Check]. These are words for programs, so they stay
// as they are.
const (
	CheckCaseTwins     = "case-twins"     // two keys that differ only in case
	CheckCorruptIndex  = "corrupt-index"  // an index that is not valid
	CheckCorruptSecret = "corrupt-secret" // an object that is not a valid secret
	CheckDeniedIndex   = "denied-index"   // an index that the caller may not read
	CheckDisabledKey   = "disabled-key"   // a key that cannot be used
	CheckDrift         = "drift"          // an index entry that differs from its secret
	CheckForeign       = "foreign"        // objects that are neither secrets nor indexes
	CheckGhost         = "ghost"          // an index entry of a secret that is deleted
	CheckHidden        = "hidden"         // secrets that the caller may not read
	CheckLeftIndex     = "left-index"     // an index that nothing needs
	CheckLostVersion   = "lost-version"   // a version that another program overwrote
	CheckMoving        = "moving"         // a secret whose rekey has not ended
	CheckNameClash     = "name-clash"     // two aliases in one index
	CheckNoAlias       = "no-alias"       // secrets that don't record their key alias
	CheckOrphan        = "orphan"         // secrets that no index has
	CheckOtherKey      = "other-key"      // objects under another key than their alias stands for
	CheckRollback      = "rollback"       // a secret that is older than its index
	CheckStray         = "stray"          // a value in the index of another alias
	CheckTombstone     = "tombstone"      // the marker of a deleted secret
	CheckUnsealed      = "unsealed"       // an object that is not encrypted
	CheckUnverifiable  = "unverifiable"   // index entries without the state of their objects
)

// What doctor looks for beside services: in the bucket, its server, the key and the clock.
const (
	CheckClock           = "clock"            // this machine's clock differs from the server's
	CheckConditionalPuts = "conditional-puts" // the bucket allows puts without a condition
	CheckConditions      = "conditions"       // the server ignores conditions of changes
	CheckEncryption      = "encryption"       // the default encryption of the bucket
	CheckKey             = "key"              // the key of new secrets
	CheckLifecycle       = "lifecycle"        // the bucket never deletes old versions
	CheckPermission      = "permission"       // what the caller may do
	CheckPolicy          = "policy"           // the policy of the bucket
	CheckPublicAccess    = "public-access"    // the bucket doesn't block public access
	CheckServer          = "server"           // what the server does as S3 does, an answer each
	CheckTLSOnly         = "tls-only"         // the bucket answers requests without TLS
	CheckVersions        = "versions"         // the bucket keeps no versions
)
