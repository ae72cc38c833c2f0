package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ota/internal/kit/hint"
	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// Signing says with what to sign.
type Signing struct {
	// Key is the path of a private key, or of a public one whose private half the
	// agent or a hardware key has; empty: the one that ssh would use.
	Key string
	// Say shows what ssh-keygen says: that it waits for a touch, say.
	Say io.Writer
}

// Sign signs a packed release: a folder, its manifest, or an archive. Signatures
// that are there stay, so that several people can sign one after the other.
func (s *Signing) Sign(ctx context.Context, at string) error {
	manifest, err := manifestAt(at)
	if err != nil {
		return err
	}
	if manifest == "" {
		return s.archive(ctx, at)
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return err
	}
	if _, err := decode(manifest, text); err != nil {
		return err
	}
	beside := manifest + ".sig"
	before, err := os.ReadFile(beside)
	if ignoreMissing(err) != nil {
		return err
	}
	signature, err := s.sign(ctx, text, before)
	if err != nil {
		return err
	}
	return replace(beside, func(to io.Writer) error {
		_, err := to.Write(signature)
		return err
	})
}

// manifestAt is the path of the manifest of what is named; empty: it is an
// archive.
func manifestAt(at string) (string, error) {
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		at = filepath.Join(at, parcel.ManifestName)
		if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
			return "", hint.With(fmt.Errorf("there is no %s in %s", parcel.ManifestName, filepath.Dir(at)), `make a packed release with "ota pack"`)
		}
		return at, nil
	case filepath.Base(at) == parcel.ManifestName:
		return at, nil
	default:
		return "", nil
	}
}

func (s *Signing) archive(ctx context.Context, at string) error {
	from, err := os.Open(at)
	if err != nil {
		return err
	}
	defer from.Close()
	err = replace(at, func(to io.Writer) error {
		return parcel.SignArchive(to, from, func(manifest, before []byte) ([]byte, error) {
			return s.sign(ctx, manifest, before)
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// sign has ssh-keygen sign, and adds that to the signatures that there are. One
// of the same key is replaced.
func (s *Signing) sign(ctx context.Context, manifest, before []byte) ([]byte, error) {
	key, done, err := s.key(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-n", parcel.Namespace, "-f", key)
	cmd.Stdin = bytes.NewReader(manifest)
	var signature bytes.Buffer
	cmd.Stdout, cmd.Stderr = &signature, &said{to: s.Say}
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, hint.With(errors.New("there is no ssh-keygen"), "install OpenSSH 8.2 or later")
		}
		return nil, fmt.Errorf("ssh-keygen can't sign with %s: %w", key, err)
	}
	made, err := sshsig.Parse(signature.Bytes())
	if err != nil {
		return nil, fmt.Errorf("ssh-keygen has made a signature that is not taken: %w", err)
	}
	return append(sshsig.Others(before, made[0].Key, parcel.Namespace, manifest), signature.Bytes()...), nil
}

// key is what ssh-keygen is to sign with, and what to do when it has.
func (s *Signing) key(ctx context.Context) (path string, done func(), err error) {
	if s.Key != "" {
		return s.Key, func() {}, nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range []string{"id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa"} {
			path := filepath.Join(home, ".ssh", name)
			if _, err := os.Stat(path); err == nil {
				return path, func() {}, nil
			}
		}
	}
	listed, err := exec.CommandContext(ctx, "ssh-add", "-L").Output()
	first, _, _ := strings.Cut(string(listed), "\n")
	if err != nil || first == "" {
		return "", nil, hint.With(errors.New("there is no ssh key to sign with"), `name one with --key, or make one with "ssh-keygen -t ed25519"`)
	}
	dir, err := os.MkdirTemp("", "ota-sign-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "agent.pub")
	return path, func() { os.RemoveAll(dir) }, os.WriteFile(path, []byte(first+"\n"), 0o600)
}

// said passes on what ssh-keygen says, but for what it always says.
type said struct{ to io.Writer }

func (s *said) Write(text []byte) (int, error) {
	if s.to != nil && !bytes.HasPrefix(text, []byte("Signing data on standard input")) {
		s.to.Write(text) // what nobody can see is no reason not to sign
	}
	return len(text), nil
}
