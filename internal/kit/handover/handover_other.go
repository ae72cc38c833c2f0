//go:build !linux

package handover

import (
	"context"
	"os"
	"syscall"
)

// Bag is empty here.
type Bag struct{}

// Put fails.
func (b *Bag) Put(string, Kind, syscall.Conn) error { return ErrUnsupported }

// Close does nothing.
func (b *Bag) Close() {}

// Become fails.
func (b *Bag) Become(string, Parcel, func() []syscall.Signal) error { return ErrUnsupported }

// Rehearse fails.
func (b *Bag) Rehearse(context.Context, string, []string, Parcel) (string, error) {
	return "", ErrUnsupported
}

// Own fails.
func Own() (string, error) { return "", ErrUnsupported }

// Received is never there.
type Received struct{}

// Receive returns nil.
func Receive() *Received { return nil }

// Parcel fails.
func (r *Received) Parcel() (Parcel, error) { return Parcel{}, ErrUnsupported }

// Back is empty.
func (r *Received) Back() string { return "" }

// Check fails.
func (r *Received) Check() error { return ErrUnsupported }

// Has is false.
func (r *Received) Has(string) bool { return false }

// Take fails.
func (r *Received) Take(string) (*os.File, error) { return nil, ErrUnsupported }

// Commit does nothing.
func (r *Received) Commit() {}

// Repeat does nothing.
func (r *Received) Repeat(func() []syscall.Signal) {}

// Because does nothing.
func (r *Received) Because(error) {}

// Settle does nothing.
func (r *Received) Settle(any) {}

// GoBack does nothing.
func (r *Received) GoBack(error) {}

// Ready is empty.
func (r *Received) Ready(string) string { return "" }
