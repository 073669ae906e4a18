const { pgTable, integer, text } = require("drizzle-orm/pg-core");

module.exports.pushed = pgTable("pushed", {
  id: integer().primaryKey(),
  note: text().notNull(),
});
