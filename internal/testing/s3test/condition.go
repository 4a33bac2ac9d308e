package s3test

import "strings"

// checkPut checks the conditions of a write of one object. old is the current object, or nil. It
// runs under the server's lock, atomically with the write. The responses were recorded from AWS in
// 2026. Quirks has the behaviour of other servers.
func (q Quirks) checkPut(c *call, old *Object) error {
	match, none := c.header.Get("If-Match"), c.header.Get("If-None-Match")
	if q.NoConditions || match == "" && none == "" {
		return nil
	}
	switch {
	case q.ConditionsUnsupported:
		return notImplemented()
	case match != "" && none != "", match == "*", none != "" && none != "*":
		return notImplemented()
	case q.ConditionsConflict:
		return conflict()
	case none == "*":
		if old != nil {
			return preconditionFailed()
		}
		return nil
	case old == nil && q.MatchMissing412:
		return preconditionFailed()
	case old == nil:
		return noSuchKey()
	}
	return q.checkMatch(match, old)
}

// checkDelete is checkPut for a delete. AWS has supported conditional deletes since September 2025.
func (q Quirks) checkDelete(c *call, old *Object) error {
	if c.header.Get("X-Amz-If-Match-Size") != "" || c.header.Get("X-Amz-If-Match-Last-Modified-Time") != "" {
		return notImplemented() // directory buckets only
	}
	match := c.header.Get("If-Match")
	switch {
	case match == "", q.NoConditions, q.DeleteIgnoresMatch:
		return nil
	case q.ConditionsUnsupported:
		return notImplemented()
	case q.ConditionsConflict:
		return conflict()
	case old == nil && q.DeleteMissingDone:
		return nil
	case old == nil && q.MatchMissing412:
		return preconditionFailed()
	case old == nil:
		return noSuchKey()
	case match == "*":
		return nil
	}
	return q.checkMatch(match, old)
}

func (q Quirks) checkMatch(match string, old *Object) error {
	quoted := strings.HasPrefix(match, `"`)
	if quoted && q.QuotedMatchFails || bareTag(match) != old.ETag {
		return preconditionFailed()
	}
	return nil
}

// bareTag returns an ETag without quotes and without the prefix of a weak one: AWS ignores both in
// comparisons.
func bareTag(tag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
}

func preconditionFailed() error {
	return fail(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

func conflict() error {
	return fail(409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.")
}

func notImplemented() error {
	return fail(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
}
