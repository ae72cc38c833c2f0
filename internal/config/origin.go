package config

import (
	"cmp"
	"slices"
)

// Origin says where a value comes from.
type Origin string

// The origins. Each wins over those before it.
const (
	ByDefault  Origin = "default"
	Travelling Origin = "main/ota.toml"
	Device     Origin = "ota.toml"
)

var origins = []Origin{ByDefault, Travelling, Device}

func rank(o Origin) int { return slices.Index(origins, o) }

// place is where a value is: a key, or one entry of a key that is a table.
type place struct{ table, name, entry string }

// value is one as the TOML parser gives it.
type value struct {
	origin Origin
	value  any
}

func (c *Config) put(at place, v value) {
	if c.values == nil {
		c.values = map[place]value{}
	}
	c.values[at] = v
}

// Origin says where the value of a key comes from. For a table such as env that
// is the last of those that its entries come from; [Config.EnvOrigin] knows each.
func (c Config) Origin(table, name string) Origin {
	origin := ByDefault
	for at, v := range c.values {
		if at.table == table && at.name == name && rank(v.origin) > rank(origin) {
			origin = v.origin
		}
	}
	return origin
}

// EnvOrigin says where a variable of [program] env comes from.
func (c Config) EnvOrigin(variable string) Origin {
	return cmp.Or(c.values[place{"program", "env", variable}].origin, ByDefault)
}
