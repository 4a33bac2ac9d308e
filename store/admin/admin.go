// Package admin has what operators' commands need of a store beside reading and writing secrets:
// to inspect and repair it, to move secrets to another key, to restore, purge and share them, and
// to try permissions and servers. Each is an interface that a [store.Store] may have, found by a
// type assertion.
package admin
