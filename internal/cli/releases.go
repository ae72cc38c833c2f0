package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// takeReleases reads arguments that are numbers of releases, at least and at
// most that many.
func takeReleases(into *[]int, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least {
			return usageError(cmd, fmt.Sprintf("%q needs the number of a release", cmd.CommandPath()))
		}
		if len(args) > most {
			return usageError(cmd, fmt.Sprintf("%q takes no argument %q", cmd.CommandPath(), args[most]))
		}
		*into = nil
		for _, text := range args {
			number, err := strconv.Atoi(text)
			if err != nil || number < 1 {
				return usageError(cmd, fmt.Sprintf("%q is not the number of a release", text))
			}
			*into = append(*into, number)
		}
		return nil
	}
}

// at returns the number at a place, 0 where there is none.
func at(numbers []int, place int) int {
	if place >= len(numbers) {
		return 0
	}
	return numbers[place]
}
