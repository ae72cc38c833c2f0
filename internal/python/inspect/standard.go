package inspect

import (
	"fmt"
	"strconv"
	"strings"
)

// version is that of an interpreter: "3.11.2".
type version string

// before says whether a version is lower than another one, such as "3.12".
func (v version) before(other string) bool {
	mine, theirs := strings.Split(string(v), "."), strings.Split(other, ".")
	for i, part := range theirs {
		if i >= len(mine) {
			return true
		}
		a, _ := strconv.Atoi(mine[i]) // what is no number is no release
		b, _ := strconv.Atoi(part)
		if a != b {
			return a < b
		}
	}
	return false
}

// standardModule is a module that not every Python 3 has.
type standardModule struct {
	since   string // the first version with it
	until   string // the first one without
	instead string // what to use
	debian  string // the Debian package that it is in, apart from python3
}

// standardModules leaves out names that a program may well give to a file of
// its own, such as parser.
var standardModules = map[string]standardModule{
	"annotationlib":                 {since: "3.14"},
	"asyncio.taskgroups":            {since: "3.11"},
	"asyncio.timeouts":              {since: "3.11"},
	"compression":                   {since: "3.14"},
	"concurrent.interpreters":       {since: "3.14"},
	"contextvars":                   {since: "3.7"},
	"dataclasses":                   {since: "3.7", instead: "the package dataclasses"},
	"graphlib":                      {since: "3.9"},
	"importlib.metadata":            {since: "3.8", instead: "the package importlib-metadata"},
	"importlib.resources":           {since: "3.7", instead: "the package importlib-resources"},
	"multiprocessing.shared_memory": {since: "3.8"},
	"string.templatelib":            {since: "3.14"},
	"tomllib":                       {since: "3.11", instead: "the package tomli"},
	"wsgiref.types":                 {since: "3.11"},
	"zoneinfo":                      {since: "3.9", instead: "the package backports.zoneinfo"},

	"aifc":                   {until: "3.13", instead: "the package standard-aifc"},
	"asynchat":               {until: "3.12", instead: "asyncio, or the package pyasynchat"},
	"asyncore":               {until: "3.12", instead: "asyncio, or the package pyasyncore"},
	"audioop":                {until: "3.13", instead: "the package audioop-lts"},
	"binhex":                 {until: "3.11"},
	"cgi":                    {until: "3.13", instead: "the package legacy-cgi"},
	"cgitb":                  {until: "3.13", instead: "the package legacy-cgi"},
	"distutils":              {until: "3.12", instead: "the package setuptools", debian: "python3-distutils"},
	"dummy_threading":        {until: "3.9", instead: "threading"},
	"imghdr":                 {until: "3.13", instead: "the package standard-imghdr"},
	"imp":                    {until: "3.12", instead: "importlib"},
	"lib2to3":                {until: "3.13", debian: "python3-lib2to3"},
	"mailcap":                {until: "3.13"},
	"nntplib":                {until: "3.13", instead: "the package standard-nntplib"},
	"ossaudiodev":            {until: "3.13"},
	"smtpd":                  {until: "3.12", instead: "the package aiosmtpd"},
	"sndhdr":                 {until: "3.13", instead: "the package standard-sndhdr"},
	"spwd":                   {until: "3.13"},
	"sunau":                  {until: "3.13", instead: "the package standard-sunau"},
	"telnetlib":              {until: "3.13", instead: "the package standard-telnetlib"},
	"typing.io":              {until: "3.13", instead: "typing"},
	"typing.re":              {until: "3.13", instead: "re"},
	"uu":                     {until: "3.13", instead: "base64"},
	"xdrlib":                 {until: "3.13", instead: "the package standard-xdrlib"},
	"xml.etree.cElementTree": {until: "3.9", instead: "xml.etree.ElementTree"},

	"BaseHTTPServer":      {until: "3", instead: "http.server"},
	"CGIHTTPServer":       {until: "3", instead: "http.server"},
	"ConfigParser":        {until: "3", instead: "configparser"},
	"Cookie":              {until: "3", instead: "http.cookies"},
	"HTMLParser":          {until: "3", instead: "html.parser"},
	"Queue":               {until: "3", instead: "queue"},
	"SimpleHTTPServer":    {until: "3", instead: "http.server"},
	"SimpleXMLRPCServer":  {until: "3", instead: "xmlrpc.server"},
	"SocketServer":        {until: "3", instead: "socketserver"},
	"StringIO":            {until: "3", instead: "io"},
	"Tkinter":             {until: "3", instead: "tkinter"},
	"UserDict":            {until: "3", instead: "collections"},
	"UserList":            {until: "3", instead: "collections"},
	"UserString":          {until: "3", instead: "collections"},
	"__builtin__":         {until: "3", instead: "builtins"},
	"anydbm":              {until: "3", instead: "dbm"},
	"cPickle":             {until: "3", instead: "pickle"},
	"cStringIO":           {until: "3", instead: "io"},
	"cookielib":           {until: "3", instead: "http.cookiejar"},
	"copy_reg":            {until: "3", instead: "copyreg"},
	"email.MIMEBase":      {until: "3", instead: "email.mime.base"},
	"email.MIMEImage":     {until: "3", instead: "email.mime.image"},
	"email.MIMEMultipart": {until: "3", instead: "email.mime.multipart"},
	"email.MIMEText":      {until: "3", instead: "email.mime.text"},
	"email.Utils":         {until: "3", instead: "email.utils"},
	"htmlentitydefs":      {until: "3", instead: "html.entities"},
	"httplib":             {until: "3", instead: "http.client"},
	"robotparser":         {until: "3", instead: "urllib.robotparser"},
	"tkFileDialog":        {until: "3", instead: "tkinter.filedialog"},
	"tkFont":              {until: "3", instead: "tkinter.font"},
	"tkMessageBox":        {until: "3", instead: "tkinter.messagebox"},
	"urllib2":             {until: "3", instead: "urllib.request"},
	"urlparse":            {until: "3", instead: "urllib.parse"},
	"xmlrpclib":           {until: "3", instead: "xmlrpc.client"},

	"dbm.gnu":   {debian: "python3-gdbm"},
	"ensurepip": {debian: "python3-venv"},
	"idlelib":   {debian: "idle3"},
	"tkinter":   {debian: "python3-tk"},
	"turtle":    {debian: "python3-tk"},
}

// standardFinding is about a module of the standard library that is not here;
// false if it is no such module.
func standardFinding(one raw, python version) (Finding, bool) {
	name := one.Module
	known, ok := standardModules[name]
	for !ok && strings.Contains(name, ".") {
		name = name[:strings.LastIndexByte(name, '.')]
		known, ok = standardModules[name]
	}
	found := Finding{Kind: MissingPackage}
	switch {
	case ok && known.until == "3":
		found.Message = fmt.Sprintf("%s is a module of Python 2; this device runs %s", name, python)
		found.Hint = "in Python 3 it is " + known.instead
		return found, true
	case ok && known.since != "" && python.before(known.since):
		found.Message = fmt.Sprintf("%s is part of Python %s and later; this device runs %s", name, known.since, python)
	case ok && known.until != "" && !python.before(known.until):
		found.Message = fmt.Sprintf("%s is no part of Python %s and later; this device runs %s", name, known.until, python)
	case ok && known.debian != "":
		found.Message = fmt.Sprintf("%s is not installed, %s: sudo apt install %s", name, importedBy(one), known.debian)
		return found, true
	case one.Standard && one.Above == "": // a part may be mistyped as well
		found.Message = fmt.Sprintf("%s is not here, %s: this Python came without it", one.Module, importedBy(one))
		return found, true
	default:
		return Finding{}, false
	}
	if known.instead != "" {
		found.Hint = "use " + known.instead
	}
	return found, true
}
