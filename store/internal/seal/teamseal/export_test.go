package teamseal

import "filippo.io/age"

// RecipientOf returns the recipient with which an object is sealed.
func RecipientOf(k Key, name string) age.Recipient { return recipient{k, name} }
