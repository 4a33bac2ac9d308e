package s3test

import "strings"

// checkPut decides a conditional write of one object; old is what is there, or nil. It runs under the server's lock, in one
// step with the write. Answers were recorded from AWS in 2026; what other servers do is in Quirks.
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

// checkDelete is checkPut for a delete, which AWS has known since September 2025.
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

// bareTag is an ETag without quotes and without the mark of a weak one: AWS compares no more than that.
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
