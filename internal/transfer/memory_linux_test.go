package transfer

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain runs the test's binary as a device too, whose memory is measured.
func TestMain(m *testing.M) {
	if folder := os.Getenv("OTA_TEST_DEVICE"); folder != "" {
		if err := beDevice(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beDevice receives over the connection that is file 3, and prints the most memory
// that it had.
func beDevice(folder string) error {
	conn, err := net.FileConn(os.NewFile(3, "connection"))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(folder, "listing.json"))
	if err != nil {
		return err
	}
	var listing Listing
	if err := json.Unmarshal(data, &listing); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Join(folder, "base"))
	if err != nil {
		return err
	}
	receiver := &Receiver{Device: &Folder{root: root, listing: listing}, Folder: filepath.Join(folder, "spool")}
	if _, err := receiver.Receive(conn); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Println(strings.Fields(after)[0])
	return err
}

// TestADeviceNeeds24MB: however large the files are, and whatever the sender knows.
func TestADeviceNeeds24MB(t *testing.T) {
	if testing.Short() {
		t.Skip("it compresses 30 MB")
	}
	if raced {
		t.Skip("the race detector has a share in the memory: make race runs this one without it")
	}
	// Of one piece of it nothing is like the old one; of the next, all but a byte of
	// every ten thousand.
	large := noise(1, 2*maxPiece)
	b := append([]byte(noise(2, maxPiece)), large[maxPiece:]...)
	for i := maxPiece; i < len(b); i += 10_000 {
		b[i]++
	}
	base := treeOf(map[string]string{"large": large, "program": builtFile(1, 1), "text": text(1, maxPiece)})
	needs24MB(t, base, base.with(map[string]string{"large": string(b), "program": builtFile(1, 2), "text": text(1, 3<<20) + text(2, 1<<20)}))

	// Several frames of texts, of which some are packed in our own way.
	texts, changed := map[string]string{}, map[string]string{}
	for i := range 24 {
		name, content, added := fmt.Sprint("text", i), text(uint64(i), maxPiece/4), 16<<10
		if i/4%2 == 1 {
			added *= 16
		}
		texts[name], changed[name] = content, content+text(uint64(100+i), added)
	}
	base = treeOf(texts)
	needs24MB(t, base, base.with(changed))
}

// needs24MB looks what a device needs that has base and gets target.
func needs24MB(t *testing.T, base, target *memory) {
	t.Helper()
	for _, knows := range []bool{true, false} {
		folder := t.TempDir()
		layOut(t, folder, base)
		sender := unknown(t, target)
		if knows {
			sender = known(t, base, target)
		}
		used := receiveIn(t, folder, sender)
		t.Logf("known %v: %.1f MB", knows, float64(used)/1024)
		if used > 24<<10 {
			t.Errorf("known %v: the device had %d kB", knows, used)
		}
	}
}

func layOut(t *testing.T, folder string, tree *memory) {
	t.Helper()
	for path, content := range tree.contents {
		file := filepath.Join(folder, "base", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := json.Marshal(tree.listing)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "listing.json"), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// receiveIn sends to a device of its own process and says how many kB that had.
func receiveIn(t *testing.T, folder string, sender *Sender) (used int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	mine, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	device := exec.Command("/proc/self/exe")
	device.Env = append(os.Environ(), "OTA_TEST_DEVICE="+folder)
	device.ExtraFiles = []*os.File{theirs}
	var out, complaint strings.Builder
	device.Stdout, device.Stderr = &out, &complaint
	if err := device.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := sender.Send(mine); err != nil {
		t.Error(err)
	}
	if err := device.Wait(); err != nil {
		t.Fatal(err, complaint.String())
	}
	fmt.Sscan(out.String(), &used)
	return used
}
