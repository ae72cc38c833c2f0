//go:build linux && amd64

package uploads

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// client is a way to upload.
type client struct {
	name   string
	needs  []string                              // programs
	serve  func(t *testing.T, dir string) server // what receives; nil: the client writes itself
	send   func(context.Context, job) error      // returns when the upload is over, or the client killed
	leaves leftover
	only   string // the folder of the tree that is sent; "": all of it
}

// leftover is what a client that dies in the large file leaves in deposit/.
type leftover string

const (
	nothing leftover = ""              // the upload can't be cut: it happens at once
	part    leftover = "part"          // of the large file, under its own or a temporary name
	rest    leftover = "rest"          // whole files only
	either  leftover = "part, or rest" // as the server notices it
)

// job is one upload.
type job struct {
	t       *testing.T
	from    string // folder with the tree
	deposit string
	server  server
	again   bool // after one that was cut
}

var clients = []client{
	{name: "vsftpd_lftp", needs: []string{"vsftpd", "lftp"}, serve: serveVsftpd, send: lftp(""), leaves: part},
	{name: "vsftpd_lftp_temp_file", needs: []string{"vsftpd", "lftp"}, serve: serveVsftpd,
		send: lftp("set xfer:use-temp-file yes;"), leaves: part},
	{name: "vsftpd_curl", needs: []string{"vsftpd", "curl"}, serve: serveVsftpd, send: curl, leaves: part},
	{name: "proftpd_hidden_stores_lftp", needs: []string{"lftp"}, serve: serveProftpd, send: lftp(""), leaves: either},
	{name: "proftpd_hidden_stores_curl", needs: []string{"curl"}, serve: serveProftpd, send: curl, leaves: either},
	{name: "sftp", needs: []string{"sftp"}, serve: serveSSH, send: sftp, leaves: part},
	{name: "scp", needs: []string{"scp"}, serve: serveSSH, send: scp(), leaves: part},
	{name: "scp_old_protocol", needs: []string{"scp"}, serve: serveSSH, send: scp("-O"), leaves: part},
	{name: "rsync", needs: []string{"rsync"}, send: rsync(), leaves: rest},
	{name: "rsync_inplace", needs: []string{"rsync"}, send: rsync("--inplace"), leaves: part},
	{name: "rsync_partial", needs: []string{"rsync"}, send: rsync("--partial"), leaves: part},
	{name: "rsync_delay_updates", needs: []string{"rsync"}, send: rsync("--delay-updates"), leaves: part},
	{name: "rsync_ssh", needs: []string{"rsync"}, serve: serveSSH, send: rsync(), leaves: rest},
	{name: "rsync_ssh_inplace", needs: []string{"rsync"}, serve: serveSSH, send: rsync("--inplace"), leaves: part},
	{name: "rsync_ssh_partial", needs: []string{"rsync"}, serve: serveSSH, send: rsync("--partial"), leaves: part},
	{name: "rsync_ssh_delay_updates", needs: []string{"rsync"}, serve: serveSSH, send: rsync("--delay-updates"), leaves: part},
	{name: "smbclient", needs: []string{"smbd", "smbclient"}, serve: serveSamba, send: smbclient, leaves: part},
	{name: "cp", send: copyTree, leaves: part},
	{name: "tar", needs: []string{"tar"}, send: untar, leaves: part},
	{name: "git_clone", needs: []string{"git"}, send: gitClone, leaves: part, only: "app"},
	{name: "mv_folder", send: moveFolder, leaves: nothing, only: "app"},
	{name: "mv_folder_from_elsewhere", send: moveFromElsewhere, leaves: part, only: "app"},
	{name: "hard_link", send: hardLink, leaves: part},
	{name: "vim", needs: []string{"vim"}, send: vim, leaves: part},
	{name: "sed_in_place", needs: []string{"sed"}, send: sedInPlace, leaves: part},
}

// run runs a client, which dies when ctx ends.
func run(ctx context.Context, j job, argv ...string) error {
	said, err := os.Create(filepath.Join(j.t.TempDir(), "output"))
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = j.from
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		output, _ := os.ReadFile(said.Name())
		return fmt.Errorf("%s: %w\n%s", argv[0], err, output)
	}
	return nil
}

func lftp(settings string) func(context.Context, job) error {
	return func(ctx context.Context, j job) error {
		mirror := "mirror -R"
		if j.again {
			mirror += " --continue"
		}
		return run(ctx, j, "lftp", "-c", fmt.Sprintf(
			"set cmd:fail-exit yes; set net:max-retries 1; set net:limit-rate 0:%d; set net:limit-max 0; %s open ftp://%s@%s; %s . .",
			bytesPerSecond, settings, j.server.user, j.server.address(), mirror))
	}
}

func curl(ctx context.Context, j job) error {
	argv := []string{"curl", "--silent", "--show-error", "--fail-early", "--ftp-create-dirs", "--user", j.server.user,
		"--limit-rate", strconv.Itoa(bytesPerSecond)}
	if j.again && j.server.resumes {
		argv = append(argv, "--continue-at", "-")
	}
	for _, path := range files(j) {
		address := url.URL{Scheme: "ftp", Host: j.server.address(), Path: path}
		argv = append(argv, "-T", path, address.String())
	}
	return run(ctx, j, argv...)
}

// sshOptions keep ssh away from the user's own settings and keys.
func sshOptions(j job) []string {
	return []string{"-F", "none", "-i", j.server.key, "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "Port=" + strconv.Itoa(j.server.port)}
}

// kilobits is the limit as scp and sftp want it.
func kilobits() string { return strconv.Itoa(bytesPerSecond * 8 / 1000) }

func sftp(ctx context.Context, j job) error {
	batch, err := os.Create(filepath.Join(j.t.TempDir(), "batch"))
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, folder := range folders(j) {
		fmt.Fprintf(batch, "-mkdir %q\n", filepath.Join(j.deposit, folder))
	}
	for _, path := range files(j) {
		put := "put"
		if j.again && path == table {
			put = "reput"
		}
		fmt.Fprintf(batch, "%s \"%s\" \"%s\"\n", put, path, filepath.Join(j.deposit, path))
	}
	argv := append([]string{"sftp", "-b", batch.Name(), "-l", kilobits()}, sshOptions(j)...)
	return run(ctx, j, append(argv, loopback)...)
}

func scp(options ...string) func(context.Context, job) error {
	return func(ctx context.Context, j job) error {
		argv := append([]string{"scp", "-r", "-l", kilobits()}, options...)
		argv = append(argv, sshOptions(j)...)
		argv = append(argv, entries(j)...)
		return run(ctx, j, append(argv, loopback+":"+j.deposit)...)
	}
}

func rsync(options ...string) func(context.Context, job) error {
	return func(ctx context.Context, j job) error {
		argv := []string{"rsync", "-a", "--bwlimit", strconv.Itoa(bytesPerSecond / 1024)}
		argv = append(argv, options...)
		to := j.deposit + "/"
		if j.server.port != 0 {
			argv = append(argv, "-e", "ssh "+strings.Join(sshOptions(j), " "))
			to = loopback + ":" + to
		} else {
			argv = append(argv, "--no-whole-file") // as over a line
		}
		return run(ctx, j, append(argv, "./", to)...)
	}
}

func smbclient(ctx context.Context, j job) error {
	share := fmt.Sprintf("//%s/deposit", loopback)
	return run(ctx, j, "smbclient", "-N", "-s", "/dev/null", "-p", strconv.Itoa(j.server.port), share,
		"-c", "prompt; recurse; mput *")
}

// files lists the files to be uploaded, as walked.
func files(j job) []string {
	return list(j, func(entry fs.DirEntry) bool { return !entry.IsDir() })
}

func folders(j job) []string {
	return list(j, fs.DirEntry.IsDir)
}

func list(j job, wanted func(fs.DirEntry) bool) []string {
	var found []string
	err := filepath.WalkDir(j.from, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && path != j.from && wanted(entry) {
			found = append(found, path[len(j.from)+1:])
		}
		return err
	})
	if err != nil {
		j.t.Error(err)
	}
	return found
}

// entries lists what is at the top of the tree.
func entries(j job) []string {
	found, err := os.ReadDir(j.from)
	if err != nil {
		j.t.Error(err)
	}
	var names []string
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}
