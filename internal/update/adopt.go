package update

import (
	"context"
	"fmt"
	"time"

	"ota/internal/release"
)

// adopt makes what is in main/ at the first start release 1.
func (c *Conductor) adopt(ctx context.Context) happening {
	err := c.adoptMain(ctx)
	if err != nil && ctx.Err() == nil {
		c.options.Log.Warn("what is in main/ can't be adopted as a release", "error", err)
	}
	return happening{event: Adopted}
}

// needsAdoption reports whether there is something in main/ and no release.
func (c *Conductor) needsAdoption() bool {
	return c.options.Releases.Current() == 0 && !c.options.Main.Empty()
}

func (c *Conductor) adoptMain(ctx context.Context) error {
	releases := c.options.Releases
	tree := releases.Store().Empty()
	var files []release.Touched
	var bytes int64
	err := c.options.Main.Scan(ctx, func(at string, entry release.Entry) error {
		if entry.Kind != release.Folder {
			files = append(files, release.Touched{Path: release.Name(at), Effect: release.Added})
			bytes += entry.Size
		}
		return tree.Set(at, entry)
	})
	if err != nil || len(files) == 0 {
		return err
	}
	// The listings come first and are synced, or a power cut may leave a record
	// of what can't be read, and no upload could be laid over that.
	var digest release.Sum
	err = c.options.Main.Record(func() (err error) {
		digest, err = tree.Save()
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot list what is in main/: %w", err)
	}
	record := release.Record{
		Number:  releases.Next(),
		Digest:  digest,
		State:   release.Adopted,
		Origin:  release.FromMain,
		From:    releases.Current(),
		Created: time.Now(),
		Files:   files,
		Bytes:   &bytes,
	}
	if err := c.options.Main.Record(func() error { return releases.Enter(record, release.Tries{}) }); err != nil {
		return fmt.Errorf("cannot record what is in main/: %w", err)
	}
	c.options.Log.Info("what is in main/ is adopted", "release", record.Number, "files", len(files))
	return nil
}
