package admin

// The checks of [Inspector.Inspect]: values of [Finding.Check]. Programs parse them, so they don't
// change.
const (
	CheckCaseTwins     = "case-twins"     // two keys that differ only in case
	CheckCopied        = "copied"         // an object that was sealed under another name
	CheckCorruptIndex  = "corrupt-index"  // an index that is not valid
	CheckCorruptSecret = "corrupt-secret" // an object that is not a valid secret
	CheckDeniedIndex   = "denied-index"   // an index that the caller has no permission to read
	CheckDisabledKey   = "disabled-key"   // a key that cannot be used
	CheckDrift         = "drift"          // an index entry that differs from its secret
	CheckForeign       = "foreign"        // objects that are neither secrets nor indexes
	CheckGhost         = "ghost"          // an index entry of a secret that is deleted
	CheckHidden        = "hidden"         // secrets that the caller has no permission to read
	CheckLeftIndex     = "left-index"     // an index that is not needed
	CheckLostVersion   = "lost-version"   // a version that another program overwrote
	CheckMoving        = "moving"         // a secret whose rekey is not finished
	CheckNameClash     = "name-clash"     // two aliases in one index
	CheckNoAlias       = "no-alias"       // secrets that don't record their key alias
	CheckOrphan        = "orphan"         // secrets that are in no index
	CheckOtherBackend  = "other-backend"  // objects that a store of another kind has written
	CheckOtherKey      = "other-key"      // objects under another key than their alias points to
	CheckRollback      = "rollback"       // a secret that is older than its index
	CheckStray         = "stray"          // a value in the index of another alias
	CheckTombstone     = "tombstone"      // the marker of a deleted secret
	CheckUnsealed      = "unsealed"       // an object that is not encrypted
	CheckUnverifiable  = "unverifiable"   // index entries without the state of their objects
)

// The checks of the keys that members hold: see [Teams].
const (
	CheckCorruptKey   = "corrupt-key"   // a key object that is not valid
	CheckKeyRollback  = "key-rollback"  // a key object that is older than what was seen
	CheckLostKey      = "lost-key"      // an alias whose key object is missing
	CheckNewKey       = "new-key"       // a key that was made since this machine last used the alias
	CheckNotMember    = "not-member"    // a key object that the caller can't open
	CheckOldPin       = "old-pin"       // the configuration pins an earlier key of the alias
	CheckStrangeKey   = "strange-key"   // an object among the keys that is none
	CheckUntrustedKey = "untrusted-key" // a key that the caller has no reason to trust
)

// The checks of doctor besides services: of the bucket, its server, the key and the clock.
const (
	CheckClock           = "clock"            // this machine's clock differs from the server's
	CheckConditionalPuts = "conditional-puts" // the bucket allows puts without a condition
	CheckConditions      = "conditions"       // the server ignores conditions of changes
	CheckEncryption      = "encryption"       // the default encryption of the bucket
	CheckKey             = "key"              // the key of new secrets
	CheckLifecycle       = "lifecycle"        // no rule of the bucket deletes old versions
	CheckPermission      = "permission"       // what the caller is permitted to do
	CheckPolicy          = "policy"           // the policy of the bucket
	CheckPublicAccess    = "public-access"    // the bucket doesn't block public access
	CheckServer          = "server"           // one result for each behaviour of S3 that the server was tested for
	CheckTLSOnly         = "tls-only"         // the bucket answers requests without TLS
	CheckVersions        = "versions"         // the bucket keeps no versions
)
