//go:build linux

package main

import (
	"errors"
	"strings"
)

type slowResult struct{}
type cutResult struct {
	cuts        int
	with, whole int64
}

func (c *cutResult) ratio() float64 { return float64(c.with) / float64(c.whole) }

func (b *bench) slowly() error               { return errors.New("x") }
func (b *bench) slowPage(p *strings.Builder) {}
func listenAsDevice(args []string) error     { return nil }
