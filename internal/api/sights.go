package api

import (
	"context"
	"io"
	"time"
)

// Live tells when to look again.
type Live interface {
	// Changed returns a channel that is closed at the next change of what Status
	// or History return. What a program in another process changes (files that
	// arrive in deposit/) may take a second to be seen.
	Changed() <-chan struct{}
	// StartID names this start of ota, in digits and small letters: the numbers
	// of the lines of the log begin anew in each.
	StartID() string
	// Device is what is known of the machine and of what the program uses of it.
	Device() Device
}

// Device is the machine that ota runs on. What a machine can't tell is null.
type Device struct {
	Name        string       `json:"name"`        // of the host
	Model       *string      `json:"model"`       // "Raspberry Pi Zero W Rev 1.1"
	Temperature *float64     `json:"temperature"` // of the processor, in degrees Celsius
	Power       List[string] `json:"power"`       // what is or was wrong with it, in words: "under-voltage now", "throttled since the start"
	PowerKnown  bool         `json:"power_known"` // the machine tells
	DiskFree    *int64       `json:"disk_free"`   // bytes, for ota's user, where the folder is
	DiskTotal   *int64       `json:"disk_total"`
	MemoryFree  *int64       `json:"memory_free"` // bytes that could be had (MemAvailable)
	MemoryTotal *int64       `json:"memory_total"`
	Load        *float64     `json:"load"` // of the last minute
	Processors  int          `json:"processors"`
	Booted      *time.Time   `json:"booted"`
	ClockSet    *bool        `json:"clock_set"`   // synchronised since the start of the machine
	Usage       Usage        `json:"usage"`       // of the program and all that it started, now
	Samples     List[Usage]  `json:"samples"`     // of the last hour, one a minute, oldest first
	CPUSeconds  *float64     `json:"cpu_seconds"` // that the program and all that it started have used since the start of ota
}

// Usage is what the program and all that it started use.
type Usage struct {
	At     time.Time `json:"at"`
	Memory *int64    `json:"memory"` // bytes, resident; nil: nothing runs, or not known
	CPU    *float64  `json:"cpu"`    // per cent of one processor, since the usage before; nil: not known
}

// Area is a folder that can be looked through.
type Area string

// The areas.
const (
	MainArea    Area = "main"
	DepositArea Area = "deposit"
)

// Files are what can be looked at and taken away. What must not be seen — .env,
// and what [web] hide names — is not there: not in a listing, not by its name,
// not in an archive. The error for what is not there is a *[NoFile].
type Files interface {
	// List returns what is in a folder, by name; "" is the top.
	List(area Area, path string) (Listing, error)
	// Open opens a regular file for reading.
	Open(area Area, path string) (*Content, error)
	// Archive is a release as one file. Nothing is read before it is written.
	Archive(release int, format ArchiveFormat) (*Archive, error)
	// LogFiles returns the log files, oldest first.
	LogFiles() ([]LogFile, error)
	// OpenLog opens one of them by its name.
	OpenLog(name string) (*Content, error)
	// Veil tells, as of now, whether a path below main/ or deposit/ must not be
	// seen. What is not asked for by name needs it, see [Veiled].
	Veil() (hides func(path string) bool)
}

// Listing is a folder.
type Listing struct {
	Path    Path            `json:"path"` // below its area, slash-separated; "": the top
	Entries List[FileEntry] `json:"entries"`
	More    int             `json:"more"` // entries beyond those that are listed
}

// FileEntry is what stands at a name of a folder.
type FileEntry struct {
	Name     Path      `json:"name"`
	Kind     string    `json:"kind"` // "file", "folder", "link" or "other"
	Size     int64     `json:"size"` // of a file, in bytes
	Modified time.Time `json:"modified"`
	Target   *Path     `json:"target"` // of a link; nil: it is none
}

// Content is an open file. Who gets it closes it.
type Content struct {
	io.ReadSeekCloser
	Name     string // the last element of its path
	Size     int64
	Modified time.Time
}

// ArchiveFormat is the kind of an archive.
type ArchiveFormat string

// The formats.
const (
	Zip   ArchiveFormat = "zip"
	TarGz ArchiveFormat = "tar.gz"
)

// Archive is a release as one file.
type Archive struct {
	Name  string // of the file: "garden-release-3.zip"
	Write func(ctx context.Context, to io.Writer) error
}

// LogFile is a file of logs/.
type LogFile struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// NoFile is the error for a file that is not there, or must not be seen.
type NoFile struct {
	Name string
}

// Error names it.
func (n *NoFile) Error() string { return "there is no " + Path(n.Name).String() }

// Drops are uploads that come over the network and are collected in .ota until
// they are whole: a drop is a number of files that become complete together.
// Files that belong to no drop are put into deposit/ one by one, and are
// complete when deposit/ has been quiet, like any upload.
type Drops interface {
	// Drops returns those that are on their way, oldest first.
	Drops() []Drop
	// NewDrop begins one. The error is a *[NoSpace] where it does not fit.
	NewDrop(files int, bytes int64) (Drop, error)
	// CompleteDrop puts its files into deposit/ and says that the upload is
	// complete. It returns how many there are. The error is a *[NoDrop] or says
	// what is not there yet.
	CompleteDrop(id string) (files int, err error)
	// CancelDrop removes what has come of it.
	CancelDrop(id string) error
	// NewArrival begins a file.
	NewArrival(drop, path string, size int64) (Arrival, error)
	// Arrival returns one that has begun. The error is a *[NoDrop].
	Arrival(id string) (Arrival, error)
	// Append adds to it at its offset, and returns the new offset beside the
	// error of the reader. A file that is whole and in no drop goes to deposit/.
	Append(ctx context.Context, id string, offset int64, from io.Reader) (int64, error)
	// CancelArrival removes what has come of it.
	CancelArrival(id string) error
}

// Drop is a number of files that become complete together.
type Drop struct {
	ID       string        `json:"id"`
	Created  time.Time     `json:"created"`
	Expected int           `json:"expected"` // files; 0: not known
	Bytes    int64         `json:"bytes"`    // of all files; 0: not known
	Received int64         `json:"received"` // bytes
	Files    List[Arrival] `json:"files"`    // that have begun
}

// Arrival is a file on its way.
type Arrival struct {
	ID     string  `json:"id"`
	Drop   *string `json:"drop"` // nil: it belongs to none
	Path   Path    `json:"path"` // below deposit/, slash-separated
	Size   int64   `json:"size"`
	Offset int64   `json:"offset"` // bytes that have come
}

// NoDrop is the error for an upload that is not there: cancelled, complete, or
// given up after a time without a sign.
type NoDrop struct {
	ID string
}

// Error names it.
func (n *NoDrop) Error() string { return "there is no upload " + Path(n.ID).String() }

// NoSpace is the error for what does not fit.
type NoSpace struct {
	Need, Free int64 // bytes
}

// Error says it without numbers; who shows it can add them.
func (n *NoSpace) Error() string { return "there is not enough free space for it" }

// Gate is who may come in over the network. Only who may use the control socket
// is let near it.
type Gate interface {
	// Web says where the page is.
	Web() Web
	// WebLink returns an address of the page that logs in once, within ten
	// minutes.
	WebLink() (string, error)
	// Pair returns a code of 8 characters that logs in once, within five minutes.
	Pair() (PairCode, error)
	// SetPassword sets the password, and ends all sessions; "" takes it away.
	SetPassword(password string) error
	// Tokens returns the tokens without their secrets.
	Tokens() []Token
	// NewToken makes one. Only its answer ever holds the secret.
	NewToken(name string, allow []Right) (secret string, err error)
	// RevokeToken ends a token.
	RevokeToken(name string) error
	// EndSessions logs everybody out.
	EndSessions() error
}

// Web is where the page is.
type Web struct {
	Address     *string `json:"address"`     // "http://127.0.0.1:8484"; nil: it is off, or can't be opened
	Problem     *string `json:"problem"`     // why it is not where it should be; nil: it is
	Fingerprint *string `json:"fingerprint"` // SHA-256 of its certificate, in hexadecimal with colons; nil: no TLS
	Announced   *string `json:"announced"`   // the name under which "ota find" lists the device; nil: the network is not told of it
}

// PairCode logs in once.
type PairCode struct {
	Code    string    `json:"code"`
	Address *string   `json:"address"` // of the page
	Until   time.Time `json:"until"`
}

// Token lets a script in.
type Token struct {
	Name    string      `json:"name"`
	Allow   List[Right] `json:"allow"`
	Created time.Time   `json:"created"`
}
