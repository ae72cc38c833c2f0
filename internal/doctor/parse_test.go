package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestListeners reads tables as kernels write them.
func TestListeners(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2124 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0
   1: 0100007F:2124 0100007F:9000 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0 100 0 0 10 0
   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 17 1 0
   3: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 18 1 0
   4: nonsense 0 0A 0 0 0 0 0 0
   5: 01:99999 0 0A 0 0 0 0 0 0 0
`
	var got []string
	for _, one := range listeners(table) {
		got = append(got, one.address.String()+" "+one.inode)
	}
	want := []string{"127.0.0.1:8484 4242", "[::]:80 17", "127.0.0.1:8080 18"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for listen, inTheWay := range map[string]bool{
		"127.0.0.1:8484": true, "localhost:8484": true, "0.0.0.0:8484": true, ":8484": true,
		"127.0.0.1:8485": false, "192.168.1.5:8484": false, "off": false,
	} {
		if got := listeners(table)[0].inTheWay(listen); got != inTheWay {
			t.Errorf("%s: %t", listen, got)
		}
	}
}

func FuzzListeners(f *testing.F) {
	f.Add("   0: 0100007F:2124 00000000:0000 0A 0:0 00:0 0 1000 0 4242 1 0 100 0 0 10 0\n", "127.0.0.1:8484")
	f.Fuzz(func(_ *testing.T, table, listen string) {
		for _, one := range listeners(table) {
			one.inTheWay(listen)
		}
	})
}

// TestNamesAreDocumented compares the table of docs/doctor.md with the code.
func TestNamesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
	}
	if diff := cmp.Diff(Names, documented); diff != "" {
		t.Errorf("-code +docs:\n%s", diff)
	}
	if sorted := slices.Sorted(slices.Values(Names)); len(slices.Compact(sorted)) != len(Names) {
		t.Error("a name is there twice: " + strings.Join(sorted, " "))
	}
}
