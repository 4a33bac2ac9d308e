package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Merge adds the statements of a document to an existing policy. A statement replaces the one with
// the same Sid; the others stay. changed is false if the policy has all of them already, with any Sid.
// The error is that the existing policy doesn't parse.
func Merge(existing string, d Document) (merged string, changed bool, err error) {
	policy := map[string]any{"Version": d.Version}
	if existing != "" {
		if err := json.Unmarshal([]byte(existing), &policy); err != nil {
			return "", false, fmt.Errorf("the bucket policy is not valid: %w", err)
		}
	}
	statements, isList := policy["Statement"].([]any)
	if one := policy["Statement"]; one != nil && !isList {
		statements = []any{one}
	}
	for _, s := range d.Statement {
		ours := generic(s)
		if slices.ContainsFunc(statements, func(have any) bool { return sameStatement(have, ours) }) {
			continue
		}
		changed = true
		i := slices.IndexFunc(statements, func(have any) bool {
			m, ok := have.(map[string]any)
			return ok && m["Sid"] == s.Sid
		})
		if i < 0 {
			statements = append(statements, ours)
		} else {
			statements[i] = ours
		}
	}
	policy["Statement"] = statements
	text, err := json.Marshal(policy)
	return string(text), changed, err
}

// sameStatement reports whether two statements are equal except for their Sids.
func sameStatement(a, b any) bool {
	x, isX := plain(a).(map[string]any)
	y, isY := plain(b).(map[string]any)
	if !isX || !isY {
		return false
	}
	delete(x, "Sid")
	delete(y, "Sid")
	return reflect.DeepEqual(x, y)
}

// generic returns a statement as json.Unmarshal into any would.
func generic(s Statement) any {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // not reached: a statement has only strings
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

// plain normalizes a part of a policy, as AWS may return it in another form: a list of one element
// becomes the element, "*" as principal an object, and lists are sorted.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			return plain(v[0])
		}
		texts := make([]string, len(v))
		for i, e := range v {
			texts[i] = fmt.Sprint(plain(e))
		}
		slices.Sort(texts)
		return texts
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			out[name] = plain(e)
			if name == "Principal" && e == "*" {
				out[name] = map[string]any{"AWS": "*"}
			}
		}
		return out
	}
	return v
}
