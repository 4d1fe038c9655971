"""How fast packages run here, and what share of this machine's limits that is; numpy only, as the runtime."""
