// Package hello holds the example, for those who begin with it.
//
// In: nothing. Out: the files of its first version. Never: a second copy of
// them; those beside this file are the example.
package hello

import "embed"

// Main is the folder main/ of the example.
//
//go:embed main
var Main embed.FS
