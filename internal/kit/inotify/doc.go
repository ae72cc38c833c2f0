// Package inotify tells of changes in folders, as the Linux kernel does.
//
// In: folders to watch. Out: what happens to the names in them, in order.
// Never: a claim that this is all. Events are lost when too many come at once
// ([Lost]), nothing is told of what happened below a folder before it was
// watched, nor of what other machines do on a network file system (inotify(7)).
// So events are good for waking only, and who is woken looks for himself.
//
// There is nothing in it on other systems.
package inotify
