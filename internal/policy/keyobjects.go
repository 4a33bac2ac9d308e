package policy

import (
	"github.com/coffer-secrets/coffer/internal/bucketname"
	"github.com/coffer-secrets/coffer/store/admin"
)

// KeyPermissions returns the permissions that a role needs for the key object of the first of Teams.
func (s Scope) KeyPermissions(role Role) []Permission {
	var out []Permission
	for _, action := range s.keyObjectActions(role) {
		out = append(out, Permission{action, admin.KeyObject(s.Teams[0])})
	}
	return out
}

// keyObjectActions returns what a role does with the key object of an alias: everybody reads it, and an operator
// grants and revokes. What opens it is a member's identity. Nobody deletes it.
func (s Scope) keyObjectActions(role Role) []string {
	if role == Operator {
		return []string{"s3:GetObject", "s3:PutObject"}
	}
	return []string{"s3:GetObject"}
}

// keyObjects returns a statement for the key objects of the aliases.
func (s Scope) keyObjects(role Role) Statement {
	var names []string
	for _, alias := range s.Teams {
		names = append(names, s.objectARN(admin.KeyObject(alias)))
	}
	return Statement{Sid: "KeysOfAliases", Effect: "Allow", Action: s.keyObjectActions(role), Resource: names}
}

// objectARN returns the ARN by which requests name an object.
func (s Scope) objectARN(name string) string {
	if point, ok := bucketname.Parse(s.Bucket); ok {
		return point.ARN + "/object/" + name
	}
	return s.bucketARN() + "/" + name
}

// listing returns the condition of listings: the prefixes of the services and, for whoami and doctor, of the key
// objects. Who revokes encrypts again what any service has under the alias, so there is none for an operator of a team.
func (s Scope) listing(role Role) map[string]Condition {
	prefixes := s.prefixes(role)
	switch {
	case len(s.Teams) > 0 && role == Operator:
		return nil
	case len(s.Teams) > 0:
		prefixes = append(prefixes, admin.KeysPrefix)
	}
	return map[string]Condition{"StringLike": {"s3:prefix": prefixes}}
}
