// Package admin defines what operators' commands need of a store besides reading and writing
// secrets: to inspect and repair it, to move secrets to another key, to restore, purge and share
// them, and to test permissions and servers. Each is an interface that a [store.Store] may
// implement, found by a type assertion.
package admin
