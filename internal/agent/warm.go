package agent

import (
	"context"

	"ota/internal/program"
	"ota/internal/update"
)

func (s *supervisor) warmUp(*program.Spec, launch)       {}
func (s *supervisor) Warm(context.Context, update.Which) {}
func (s *supervisor) Cool()                              {}
