//go:build !linux

package program

import "ota/internal/kit/handover"

// Leave does nothing: there is nobody to leave it to.
func (r *Room) Leave() {}

// Handed fails.
func (r *Room) Handed(*handover.Bag) (Handed, error) { return Handed{}, handover.ErrUnsupported }

// Peek fails.
func (r *Room) Peek(*handover.Bag) (Handed, error) { return Handed{}, handover.ErrUnsupported }

// Resume fails.
func (r *Room) Resume(Handed, *handover.Received) (*Run, error) { return nil, handover.ErrUnsupported }

// Begin does nothing.
func (run *Run) Begin(Streams) {}

// BeginIdle does nothing.
func (r *Room) BeginIdle() {}
