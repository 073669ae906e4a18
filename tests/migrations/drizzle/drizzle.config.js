// What drizzle-kit's own guide says, in JavaScript.
module.exports = {
  dialect: "postgresql",
  out: "./migrations",
  dbCredentials: { url: process.env.DATABASE_URL },
};
