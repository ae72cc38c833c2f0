package receive

import (
	"fmt"
	"os"

	"ota/internal/parcel"
	"ota/internal/release"
	"ota/internal/transfer"
)

// inPlace reports whether main/ is what was put into deposit/ last: nobody makes a
// release of that, so that no history tells of it.
func (p place) inPlace() (bool, error) {
	content, err := os.ReadFile(p.last())
	if err != nil {
		return false, err
	}
	m, err := parcel.Decode(content)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.last(), err)
	}
	releases, err := release.OpenRead(p.own())
	if err != nil {
		return false, err
	}
	current, err := p.base(releases)
	if err != nil {
		return false, err
	}
	has := map[transfer.Entry]bool{}
	for _, entry := range current.listing {
		has[entry] = true
	}
	for _, entry := range ListingOf(m) {
		if !has[entry] {
			return false, nil
		}
	}
	return true, nil
}
