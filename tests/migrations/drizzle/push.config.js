// The same for `drizzle-kit push`, which changes the tables by hand.
module.exports = {
  dialect: "postgresql",
  schema: "./schema.js",
  dbCredentials: { url: process.env.DATABASE_URL },
};
