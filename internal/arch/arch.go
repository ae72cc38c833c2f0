// Package arch holds the tests that keep the shape of the house: which room may
// know which, and what every package owes its readers.
package arch
