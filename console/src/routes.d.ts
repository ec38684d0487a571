declare module 'virtual:routes' {
  const routes: Record<string, string>
  export default routes
}
