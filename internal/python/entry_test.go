package python

import (
	"strings"
	"testing"
)

func TestEntryOf(t *testing.T) {
	for command, want := range map[string]Entry{
		"":                            {},
		"python3 main.py":             {Script: "main.py"},
		"python3 -u main.py --port=1": {Script: "main.py"},
		"/usr/bin/python3.11 -u -X dev ./src/app.py": {Script: "src/app.py"},
		"python3 -Wdefault main.py":                  {Script: "main.py"},
		"python3 -OOu main.py":                       {Script: "main.py"},
		"python3 -m pkg.app -m other":                {Module: "pkg.app"},
		"python3 -um pkg":                            {Module: "pkg"},
		"python3 -mpkg":                              {Module: "pkg"},
		"python3 -c pass main.py":                    {},
		"python3 -":                                  {},
		"python3 /opt/app.py":                        {},
		"python3 ../app.py":                          {},
		"./app.py":                                   {Script: "app.py"},
		"gunicorn -w 2 pkg.web:app":                  {Module: "pkg.web"},
		"gunicorn --workers 2 web:make()":            {Module: "web"},
		"/x/bin/uvicorn --fd 3 web:app":              {Module: "web"},
		"python3 -m uvicorn web:app --fd 3":          {Module: "web"},
		"python3 -m gunicorn web:app":                {Module: "web"},
		"waitress-serve --port=80 web:app":           {Module: "web"},
		"flask --app web run":                        {Module: "web"},
		"flask --app=src/web.py run":                 {Script: "src/web.py"},
		"celery -A tasks worker":                     {Module: "tasks"},
		"node main.js":                               {},
		"pythonic main.py":                           {},
	} {
		if got := EntryOf(strings.Fields(command)); got != want {
			t.Errorf("%q: %+v, not %+v", command, got, want)
		}
	}
}

func FuzzEntryOf(f *testing.F) {
	f.Add("python3 -um pkg")
	f.Fuzz(func(t *testing.T, command string) {
		entry := EntryOf(strings.Fields(command))
		if strings.HasPrefix(entry.Script, "../") || strings.HasPrefix(entry.Script, "/") {
			t.Errorf("%+v leads out of main/", entry)
		}
	})
}
